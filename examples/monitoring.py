"""Watch a run: its residual and errors in TensorBoard, and a line of JSON for each stage.

    pip install tensorboard && python examples/monitoring.py && tensorboard --logdir out/board

A callback is anything that takes a `Progress` after each step; the log is the standard `logging` module's.
"""

import logging
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from kanpde import Box, Dirichlet, JSONLines, Problem, Progress, Solution, Stage, laplacian, solve

OUT = Path(__file__).parent.parent / "out"


class Board:
    """‖r‖ against steps, and the errors of each stage, as far as they are known, against coefficients."""

    def __init__(self, folder: Path) -> None:
        self.writer = SummaryWriter(str(folder))
        self.steps = self.stages = 0

    def __call__(self, progress: Progress) -> None:
        self.writer.add_scalar("step/residual", progress.residual, self.steps)
        self.steps += 1
        self.add(progress.history)

    def add(self, history: tuple[Stage, ...]) -> None:
        """Stages that are not there yet: the last one is complete only when no step follows."""
        for stage in history[self.stages :]:
            for name, value in {"residual": stage.residual, **vars(stage.errors)}.items():
                if value is not None:
                    self.writer.add_scalar(f"stage/{name}", value, stage.size)
        self.stages = len(history)
        self.writer.flush()


def main(folder: Path = OUT) -> Solution:
    folder.mkdir(exist_ok=True)
    square = Box(x=(0, 1), y=(0, 1))
    problem = Problem(square, lambda u, x, y: laplacian(u, x, y) + x * y, {"walls": Dirichlet(0.0, on=square.boundary())})

    handler = logging.FileHandler(folder / "run.jsonl", mode="w", encoding="utf-8")
    handler.setFormatter(JSONLines())
    logger = logging.getLogger("kanpde")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        board = Board(folder / "board")
        solution = solve(problem, progress=board, tol=1e-6)
        board.add(solution.history)
        return solution
    finally:
        logger.removeHandler(handler)


if __name__ == "__main__":
    print(main())
