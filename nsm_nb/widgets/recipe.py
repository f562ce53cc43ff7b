"""What was chosen in a transcript, decoded by a recipe; the recipe is kept with a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from nsm_nb.text import form, many, printable
from nsm_nb.transcripts.recipes import STEPS, Decoded, decode
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.handout import Handout
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.verdict import Verdict

__all__ = ["FROM", "Recipe"]

#: What a recipe is given.
FROM = {
    "chosen": "what is chosen in the text, else the marked turn, else all of SRC",
    "SRC turns": "each turn of SRC, a part each",
    "DST turns": "each turn of DST, a part each",
}
_SHOWN = 65_536  # bytes


class Recipe(ipywidgets.VBox):
    """A recipe and what it makes; `made` is what it made last.

    Parameters
    ----------
    given
        Returns the bytes to decode, and words that say which they are, for a name of `FROM`.
    judge
        Gives a verdict with a comment; see `Verdict`.
    guard
        Wraps callbacks so that their errors are shown.
    """

    def __init__(
        self,
        given: Callable[[str], tuple[Sequence[bytes], str]],
        judge: Callable[[str, str], object],
        guard: Callable[[Callable], Callable],
        **traits: Any,
    ):
        self.made: Decoded | None = None
        self.of = ""
        self._given, self._judge = given, judge
        self._from = ipywidgets.ToggleButtons(options=list(FROM), tooltips=list(FROM.values()))
        self.recipe = Entry(label="recipe", code=True, placeholder="base64 | gzip    (Enter decodes)")
        self.recipe.layout.flex = "1 1 320px"
        self._step = ipywidgets.Dropdown(
            options=[("add a step", "")] + [(f"{name}: {kind.words}", name) for name, kind in STEPS.items()],
            layout={"width": "180px"},
        )
        self._step.tooltip = "What a recipe can do"
        self._hand = Handout(
            [("save", "save", "Save what it made as a file")], guard(lambda what: self._save()), lambda done: None
        )
        self._hand.disabled = True
        bar = ipywidgets.HBox([self._from, self.recipe, self._step, self._hand])
        bar.add_class("nsm-bar")
        self.result = Lines(boxed=True, code=True, height=200, label="what the recipe made")
        self.verdict = Verdict(guard(self._judged), about="the session")
        super().__init__([bar, self.result, self.verdict], **traits)
        self.recipe.on_submit(guard(lambda words: self.decode()))
        self._step.observe(guard(lambda change: self._add(change["new"])), "value")
        self._hint()

    def decode(self, recipe: str | None = None, *, of: str | None = None) -> Decoded:
        """Decode and show what came of it.

        Raises
        ------
        NsmError
            Where the recipe is none, or can do nothing with the bytes.
        """
        if recipe is not None:
            self.recipe.value = recipe
        if of is not None:
            self._from.value = of
        self.clear()
        parts, words = self._given(str(self._from.value))
        made = decode(list(parts), self.recipe.value)
        self.made, self.of = made, words
        self._hand.disabled = False
        shown = printable(made.data[:_SHOWN].replace(b"\r\n", b"\n"), lines=True).removesuffix("\n")
        lines = [line((f"of {words}: {many(len(made.data), 'byte')}, SHA-256 ", "muted"), (made.sha256, "code"))]
        lines += [line((note, "muted")) for note in made.notes]
        # not by `line`: tabs stay
        lines += [{"style": "", "spans": [[row, "", ""]]} for row in shown.split("\n")]
        if len(made.data) > _SHOWN:
            left = len(made.data) - _SHOWN
            lines.append(line((f"{many(left, 'byte')} more: 'save' has {form(left, 'it', 'them')}", "doubt")))
        self.result.say(*lines)
        return made

    def clear(self) -> None:
        """Forget what was made."""
        self.made, self.of = None, ""
        self._hand.disabled = True
        self._hint()

    def _hint(self) -> None:
        self.result.say(line(("choose text above, write steps with | between them, Enter decodes", "muted")))

    def _add(self, name: str) -> None:
        if name:
            step = STEPS[name].example if STEPS[name].needs else name
            self.recipe.value = f"{self.recipe.value.rstrip()} | {step}" if self.recipe.value.strip() else step
            self._step.value = ""
            self.recipe.ask()

    def _save(self) -> None:
        if self.made is not None:
            self._hand.save(f"decoded-{self.made.sha256[:12]}.bin", self.made.data)

    def _judged(self, category: str, comment: str) -> object:
        kept = f"{comment} [{self.of}, {self.made}]".strip() if self.made is not None else comment
        return self._judge(category, kept)
