"""What can be chosen about fine-tuning, with the reasons for the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from server.errors import BadParameter

Trained = Literal["decoder", "lora", "everything"]


@dataclass(frozen=True)
class FineTuningSettings:
    """How to fine-tune.

    Attributes:
        folder: where state, log and curve go; a state found there is taken up again.
        trained: "decoder" trains the mask decoder alone, with encoder outputs kept on disk; "lora" also small low-rank
            additions to the image encoder's attention; "everything" all weights, which suits small networks.
        n_steps: length of the learning-rate schedule.
        time_limit_s: the schedule is shortened to end after this many seconds of work; None for no limit.
        n_images: views per step.
        n_prompts: clicks or boxes on a view; the class mode has one answer per view.
        n_views: different views of a window (turned, zoomed, recoloured) while encoder outputs are kept; the first
            is the window as it is. Without kept outputs every view is new.
        class_share: share of the views that train the class mode; the rest trains clicks and boxes in equal parts.
        empty_weight: how often windows without the class are drawn, as a share of those with it.
        is_thin: the class is narrow, like roads: its pixels weigh more, and its centre lines count.
        learning_rate: highest, after `n_warm_up` steps; then a cosine.
        lora_rank: rank of the low-rank additions.
        n_validation_windows: windows of the validation area that are looked at while training goes on, at most.
        validate_every: steps between looks at the validation area.
        patience: looks without a better result after which training stops.
        save_every: steps between saved states.
        seed: of views, prompts and batches.
    """

    folder: Path
    trained: Trained = "decoder"
    n_steps: int = 2000
    time_limit_s: float | None = None
    n_images: int = 4
    n_prompts: int = 2
    n_views: int = 4
    class_share: float = 0.7
    empty_weight: float = 0.2
    is_thin: bool = False
    learning_rate: float = 4e-4
    weight_decay: float = 0.02
    n_warm_up: int = 50
    lora_rank: int = 8
    n_validation_windows: int = 80
    validate_every: int = 100
    patience: int = 10
    save_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be meant.

        Raises:
            BadParameter: one is out of range; names it.
        """
        if self.trained not in get_args(Trained):
            raise BadParameter(f'"{self.trained}" cannot be trained; choose {", ".join(get_args(Trained))}.', "trained")
        counts = ("n_steps", "n_images", "n_prompts", "n_views", "lora_rank", "n_validation_windows", "patience")
        for name in (*counts, "validate_every", "save_every", "n_warm_up"):
            if getattr(self, name) < 1:
                raise BadParameter(f'"{name}" is {getattr(self, name)}; give 1 or more.', name)
        for name, most in (("class_share", 1.0), ("empty_weight", 1.0), ("learning_rate", 1.0)):
            if not 0 < getattr(self, name) <= most:
                raise BadParameter(f'"{name}" is {getattr(self, name)}; give a number over 0, up to {most}.', name)
