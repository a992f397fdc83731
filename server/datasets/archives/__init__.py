"""Datasets on their way in and out as zip archives."""
