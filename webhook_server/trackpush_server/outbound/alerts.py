"""Explains TLS alerts of the other side: OpenSSL's words, and what to do about them."""

import ssl

_WHAT_TO_DO = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it demands a client certificate; set spec.tls.certificate and privateKey",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it finds the client certificate of spec.tls expired; renew it in its Secret",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "it finds the client certificate of spec.tls revoked; renew it in its Secret",
    "TLSV1_ALERT_UNKNOWN_CA": "it doesn't know the issuer of spec.tls's client certificate; add the intermediate ones",
}


def alert(error: ssl.SSLError) -> str:
    """Why the other side closed the connection, in one short line."""
    reason = error.reason or "unknown"
    words = reason.lower().replace("_", " ")
    hint = _WHAT_TO_DO.get(reason)
    return f"{words}: {hint}" if hint else words
