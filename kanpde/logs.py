"""What `solve` tells the standard `logging` module, under the name "kanpde": a line for each stage, and one for the end.

    handler = logging.FileHandler("run.jsonl")
    handler.setFormatter(JSONLines())
    logging.getLogger("kanpde").addHandler(handler)
    logging.getLogger("kanpde").setLevel(logging.INFO)

Without a handler of the user's nothing is written anywhere. Of many processes rank 0 tells.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from kanpde.history import Stage
from kanpde.ranks import is_first
from kanpde.solution import Solution

LOGGER = logging.getLogger("kanpde")
LOGGER.addHandler(logging.NullHandler())


class JSONLines(logging.Formatter):
    """Each record as one line of JSON: its time (UTC), level and message; of a stage its number and all figures of a `Stage`.

    What is not finite, which JSON does not know, is null.
    """

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            **getattr(record, "figures", {}),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(_finite(told), ensure_ascii=False)


def log_stage(number: int, stage: Stage) -> None:
    """The stage of that number, from 1 on."""
    errors = {"estimate": stage.errors.estimate, "relative L2 error": stage.errors.relative_l2}
    known = "".join(f", {name} {value:.1e}" for name, value in errors.items() if value is not None)
    _log(
        f"stage {number}: {stage.network}, residual {stage.residual:.1e}{known} after {stage.seconds:.2f} s",
        {"stage": number, **asdict(stage)},
    )


def log_end(solution: Solution) -> None:
    _log(solution.status, {"status": solution.status})


def _log(message: str, figures: Mapping[str, Any]) -> None:
    if is_first():
        LOGGER.info("%s", message, extra={"figures": figures})


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value
