"""The paper's tables and figures, one file each. `obclip reproduce NAME` runs one; without NAME, all."""
