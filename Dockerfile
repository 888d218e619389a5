# Measures in CI without installing: docker build -t inflor-bench . && docker run --rm -v "$PWD:/work" inflor-bench run
FROM python:3.11-slim

# git says which commit was measured; the compilers make counting and neurons faster, with the same results.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ git \
    && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN python -m pip install --no-cache-dir /source && rm -rf /source
# What is mounted belongs to another user, which git refuses to read otherwise.
RUN git config --system --add safe.directory /work
WORKDIR /work
ENTRYPOINT ["inflor-bench"]
