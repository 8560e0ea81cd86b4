"""What a run costs: multiply-accumulates, counted without weights."""
