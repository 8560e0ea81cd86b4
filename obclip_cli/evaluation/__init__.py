"""From a configuration to scored images: methods, generation, the run folder, scores and sweeps."""
