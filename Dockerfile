# Two images of one source:
#   docker build --target serve -t graft-serve .     answers requests; no TensorFlow in it
#   docker build --target train -t graft-train .     pulls trunks and fine-tunes
# tests/test_dockerfile.py runs these steps in fresh virtual environments.

FROM python:3.11-slim AS wheel
WORKDIR /src
COPY requirements/build.txt requirements/
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY graft graft
COPY zoo zoo
COPY finetune finetune
COPY service service
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim AS serve
COPY requirements/serve.txt /tmp/requirements.txt
RUN python -m pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt
COPY --from=wheel /wheels /tmp/wheels
RUN python -m pip install --no-cache-dir --no-deps /tmp/wheels/*.whl
RUN python -c "import importlib.util as u, sys; sys.exit(any(map(u.find_spec, ('tensorflow', 'keras', 'torch', 'sklearn'))))"
RUN useradd --system --uid 10001 graft
USER graft
VOLUME /models
EXPOSE 8000
HEALTHCHECK --start-period=10s --interval=15s --timeout=5s \
    CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"
# Mount the models read-only and set a key:  -v ./models:/models:ro -e GRAFT_API_KEY=…
# Without a key the server refuses to listen outside loopback.
CMD ["serve", "--models", "/models", "--host", "0.0.0.0", "--port", "8000"]

FROM python:3.11-slim AS train
COPY requirements/train.txt /tmp/requirements.txt
RUN python -m pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt
COPY --from=wheel /wheels /tmp/wheels
RUN python -m pip install --no-cache-dir --no-deps /tmp/wheels/*.whl
RUN useradd --create-home --uid 10001 graft
USER graft
WORKDIR /home/graft
CMD ["finetune", "--help"]
