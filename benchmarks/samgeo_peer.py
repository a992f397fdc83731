"""What `benchmarks.samgeo_masks` runs inside segment-geospatial's own virtual environment; knows nothing of ours."""

import json
import sys

from samgeo import SamGeo  # type: ignore[import-not-found]  # lives in the other environment

told = json.loads(sys.argv[1])
peer = SamGeo(model_type=told["kind"], checkpoint=told["checkpoint"], device="cpu", sam_kwargs=told["settings"])
peer.generate(told["raster"], told["output"], unique=True)
