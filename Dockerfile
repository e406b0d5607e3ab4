FROM python:3.13.9-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
COPY bpmn-examples bpmn-examples
COPY element-templates element-templates
RUN python -m venv /opt/connectors \
 && /opt/connectors/bin/pip install --no-cache-dir -c constraints.txt '.[providers,signing,soap,ntlm,imap,smime,postgresql,sql,files,coap]'

FROM python:3.13.9-slim-bookworm
RUN useradd --uid 1001 --create-home connectors
COPY --from=build /opt/connectors /opt/connectors
# A new volume takes its owner from the folder that it is mounted on.
RUN install -d -o 1001 -g 1001 /home/connectors/var
USER 1001
WORKDIR /home/connectors
ENV PATH=/opt/connectors/bin:$PATH \
    ZEEBE_CONNECTORS_HOST=0.0.0.0 \
    ZEEBE_CONNECTORS_DATA=/home/connectors/var
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["zeebe-connectors"]
CMD ["run"]
