"""Who uses the service: sessions, the human check, quotas and each client's folder."""
