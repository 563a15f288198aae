"""mini-swe-agent with the settings of its own `mini.yaml`, without its terminal. Runs in the peer's environment.

python mini.py FOLDER URL [--no-trajectory]

As `mini` does, it keeps a trajectory file that it writes anew after each step; with --no-trajectory it does not.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from memory import peak_mib  # pyright: ignore  (run as a file, next to it)


def main() -> None:
    folder, url = Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "MSWEA_GLOBAL_CONFIG_DIR": str(folder),
        "MSWEA_CONFIGURED": "true",
        "MSWEA_SILENT_STARTUP": "1",
        "MSWEA_COST_TRACKING": "ignore_errors",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_API_KEY": "none",
    }
    import yaml
    from minisweagent.agents.default import DefaultAgent
    from minisweagent.config import builtin_config_dir
    from minisweagent.environments.local import LocalEnvironment
    from minisweagent.models.litellm_model import LitellmModel

    config = yaml.safe_load((builtin_config_dir / "mini.yaml").read_text())
    kwargs = config["model"].pop("model_kwargs") | {"api_base": url}
    model = LitellmModel(model_name="openai/gpt-5-mini", model_kwargs=kwargs, **config["model"])
    environment = LocalEnvironment(cwd=str(folder), **config["environment"])
    settings = {name: config["agent"][name] for name in ("system_template", "instance_template")}
    trajectory = None if "--no-trajectory" in sys.argv else folder / "trajectory.json"
    agent = DefaultAgent(model, environment, **settings, cost_limit=0, output_path=trajectory)
    agent.run("Run the command.")
    print(json.dumps({"peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
