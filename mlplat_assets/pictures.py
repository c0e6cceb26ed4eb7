"""Plots in asset metadata."""

import base64

import dagster as dg


def picture(png: bytes) -> dg.MetadataValue:
    """A PNG that the UI shows in place."""
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")
