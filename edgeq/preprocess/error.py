"""The one exception of this package."""


class PreprocessError(ValueError):
    """One clear sentence, and a hint that says what to do next; hosts translate it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
