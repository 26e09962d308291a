"""The API on the wire: requests, answers, errors, billing, and the HTTP client."""
