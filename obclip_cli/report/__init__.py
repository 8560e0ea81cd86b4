"""What a person sees: contact sheets, tables, plots."""
