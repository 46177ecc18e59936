"""Zone text and what is made of it (RFC 1035 §5)."""
