"""The path of OpenAI's embeddings."""

from __future__ import annotations

PATH = "/v1/embeddings"
