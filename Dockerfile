# One image for web processes and workers. For GPUs build with a base that has NVIDIA's libraries and Python 3.11 or newer:
#   docker build --build-arg BASE=nvidia/cuda:12.8.1-base-ubuntu24.04 .
# torch from the default package index runs on both, and needs only the driver of the host; one for processors alone is
# much smaller: name an index that has it with --build-arg TORCH_INDEX=URL.
ARG BASE=python:3.11-slim-bookworm
ARG NODE=node:22-bookworm-slim

FROM ${NODE} AS page
WORKDIR /page
COPY front_end/package.json front_end/package-lock.json ./
RUN npm ci --no-fund --no-audit
COPY front_end ./
RUN npm run build

FROM ${BASE}
ARG TORCH_INDEX=
# Ubuntu's bases come without Python.
RUN command -v python3 >/dev/null && python3 -m venv --help >/dev/null 2>&1 || { \
      apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*; }
RUN python3 -m venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY requirements.txt requirements-cluster.txt ./
RUN if [ -n "${TORCH_INDEX}" ]; then \
      pip install --no-cache-dir --index-url "${TORCH_INDEX}" $(grep -Eo '^torch(vision)?==[0-9.]+' requirements.txt); fi
RUN pip install --no-cache-dir -r requirements.txt -r requirements-cluster.txt
COPY ultimate.py configuration.json LICENSE ./
COPY server ./server
COPY ckpt ./ckpt
COPY --from=page /page/dist ./front_end/dist
# Nothing in the image belongs to who runs it; what clients own lies in /data.
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin service \
    && mkdir /data && chown service /data
USER service
VOLUME /data
EXPOSE 8000
ENV SEGMENT_ANYTHING_RS_CONFIGURATION=/etc/segment-anything-rs/configuration.json
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
CMD ["gunicorn", "--config", "python:server.gunicorn_settings"]
