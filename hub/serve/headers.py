"""The headers that every answer carries, whoever gives it: a route, a guard or the HTTP server itself."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Fit to the page: its own script and style, nothing inline, questions to its own server alone."""

SECURITY_HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
HSTS = ("Strict-Transport-Security", "max-age=31536000")


def security_headers(*, tls: bool) -> list[tuple[str, str]]:
    """Make them; under TLS they tell browsers to come by TLS alone for a year."""
    return [*SECURITY_HEADERS, HSTS] if tls else list(SECURITY_HEADERS)
