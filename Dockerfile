# Weir as an image: the one-file bundle on Node.js 24, and nothing else. docs/image.md says how to build, run and change it; `npm run check-image`
# builds it without Docker and holds it to that.
#
#   docker build -t weir:0.1.0 .

ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim
# What the image is made on. Any that has Node.js 24 at NODE_PATH; no shell, no env and no npm are needed in it.
ARG RUNTIME_IMAGE=${NODE_IMAGE}
ARG NODE_PATH=/usr/local/bin/node
# Who it runs as. Any other uid works at run time, too, without the compile cache below.
ARG UID=1337
ARG GID=1337

FROM --platform=${BUILDPLATFORM} ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
# `--secret id=npmrc,src=FILE` lends npm the configuration of a registry of your own; it is not kept. No package needs its install script.
RUN --mount=type=secret,id=npmrc NPM_CONFIG_USERCONFIG=/run/secrets/npmrc npm ci --ignore-scripts
COPY . .
# Not `npm run build`, which would take the Node.js that package.json pins for developers.
RUN node scripts/build.ts && mkdir empty
# The first line names Node.js by its path: `weir` is started by the kernel alone, without a shell or env.
ARG NODE_PATH
RUN sed -i "1s|.*|#!${NODE_PATH}|" dist/weir.cjs

# One start as the user to be, so that Node keeps the compiled program: 30 ms less for every command, 0.8 MiB less in the agent, 0.4 MB in the image.
# The folder that Node makes in it is for this version, these flags and this uid; for any other it is as if it were not there.
FROM ${RUNTIME_IMAGE} AS compiled
ARG UID
ARG GID
COPY --from=build --chown=${UID}:${GID} /src/empty /usr/local/share/weir/compiled
COPY --from=build /src/dist/weir.cjs /usr/local/bin/weir
ENV NODE_COMPILE_CACHE=/usr/local/share/weir/compiled
USER ${UID}:${GID}
RUN ["weir", "--version"]

FROM ${RUNTIME_IMAGE}
ARG RUNTIME_IMAGE
ARG UID
ARG GID
COPY --from=build /src/LICENSE /usr/local/share/weir/LICENSE
# Node makes the files for its own user alone; here they belong to root, and everybody may read them.
COPY --from=compiled --chown=0:0 --chmod=0755 /usr/local/share/weir/compiled /usr/local/share/weir/compiled
# A new volume of Docker's that is mounted here takes its owner from them: the cache, and sockets (/var/run is a link to /run).
COPY --from=build --chown=${UID}:${GID} /src/empty /var/lib/weir
COPY --from=build --chown=${UID}:${GID} /src/empty /run/weir
COPY --from=build /src/dist/weir.cjs /usr/local/bin/weir

ENV NODE_COMPILE_CACHE=/usr/local/share/weir/compiled
# One arena of malloc for all threads: those of V8's compiler would each keep one of their own, 3 to 8 MiB in all (ADR 0041).
ENV MALLOC_ARENA_MAX=1
# By number: a kubelet with runAsNonRoot cannot look a name up.
USER ${UID}:${GID}
WORKDIR /
STOPSIGNAL SIGTERM
# No EXPOSE: Weir listens on loopback and sockets unless it is told otherwise. No HEALTHCHECK: it would start a Node.js every few seconds where a GET of
# /healthz/live does.
ENTRYPOINT ["weir"]
CMD ["--help"]

ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="weir" \
      org.opencontainers.image.description="An xDS sidecar agent: one upstream ADS stream, a cache in memory and on disk, a local xDS endpoint" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
