"""What routes take beside bodies: who calls, by right, and names in paths."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from tidegate.api.access import needs

Viewer = Annotated[str, Depends(needs("view"))]
Reviewer = Annotated[str, Depends(needs("review"))]
Operator = Annotated[str, Depends(needs("operate"))]
Admin = Annotated[str, Depends(needs("admin"))]
Name = Annotated[str, Path(min_length=1, max_length=100)]
