"""What the files in experiments/ share: their data, rows, measurements, the paper's figures beside them, and claims."""
