"""The checkpoints a segmentation may name."""

from __future__ import annotations

import dataclasses

from flask import Blueprint, Response, jsonify

from server.routes.documentation import Operation, documented
from server.routes.services import services
from server.segmentation.networks.checkpoints import Checkpoint, list_checkpoints

blueprint = Blueprint("checkpoints", __name__)


@blueprint.get("/checkpoints")
@documented(Operation({200: ("Every checkpoint and whether it is here.", "application/json")}, rows=Checkpoint))
def show_checkpoints() -> Response:
    """List the checkpoints."""
    return jsonify([dataclasses.asdict(item) for item in list_checkpoints(services().checkpoint_folder)])
