# A machine with the hub installed as deploy/systemd says, where systemd is the first process.
# Its context is deploy/systemd.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY --from=alliance-hub/hub /opt/alliance-hub /opt/alliance-hub
COPY sysusers.conf /usr/lib/sysusers.d/alliance-hub.conf
COPY *.service *.target /etc/systemd/system/
COPY alliance-hub-.service.d /etc/systemd/system/alliance-hub-.service.d
RUN echo 0123456789abcdef0123456789abcdef >/etc/machine-id && systemd-sysusers
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/lib/systemd/systemd", "--show-status=no", "--log-target=console"]
