"""The build hook of the wheel: with a C compiler it adds the microcontroller runtime as a shared library.

Without one the wheel is pure, and edgeq builds the library where it is first needed. An editable install does so too.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags


class LibraryHook(BuildHookInterface[Any]):
    """Adds `edgeq/micro/libedgeq-micro-<digest>.so` and the platform's tag to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the library into a temporary folder, which `finalize` removes."""
        self._folder = tempfile.TemporaryDirectory(prefix="edgeq-wheel-")
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from edgeq.errors import UsageError
        from edgeq.micro.library import build_library

        try:
            library = build_library(Path(self.root) / "firmware_stubs", Path(self._folder.name))
        except UsageError as error:
            self.app.display_warning(f"{error.message} The wheel is built without it.")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag()}"
        build_data["force_include"][str(library)] = f"edgeq/micro/{library.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """The library is in the wheel."""
        self._folder.cleanup()


def platform_tag() -> str:
    """This machine's tag. The library needs libc only, but manylinux is for auditwheel to promise."""
    return next(tag for tag in platform_tags() if not tag.startswith(("manylinux", "musllinux")))
