"""From a prompt to its candidates: taxonomy, detection, closure. Public mathematics, no secrets."""
