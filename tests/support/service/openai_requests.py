from __future__ import annotations

PATH = "/v1/embeddings"
