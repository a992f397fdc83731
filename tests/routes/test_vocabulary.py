"""`GET /vocabulary` answers at once: it wakes no network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ASK = """
import json, sys
from pathlib import Path
from server.app import create_app
from server.settings import make_settings

folder = Path(sys.argv[1])
(folder / "ckpt" / "clip").mkdir(parents=True)
(folder / "ckpt" / "clip" / "ViT-B-16-openai.safetensors").touch()
changed = {"cache_folder": "cache", "checkpoint_folder": "ckpt", "api_tokens": ["token-of-a-program-1"]}
app = create_app(make_settings(changed, folder))
answer = app.test_client().get("/vocabulary", headers={"Authorization": "Bearer token-of-a-program-1"})
woken = sorted({"torch", "open_clip"} & set(sys.modules))
print(json.dumps({"status": answer.status_code, "models": answer.json.get("text_models"), "woken": woken}))
"""


def test_the_first_answer_imports_no_torch(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", ASK, tmp_path], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    answer = found.stdout.splitlines()[-1]
    assert answer == '{"status": 200, "models": ["ViT-B-16-openai"], "woken": []}'
