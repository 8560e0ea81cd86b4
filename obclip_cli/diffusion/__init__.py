"""Plain diffusers: loading models, encoding prompts, running steps. Used by both sides, knows neither."""
