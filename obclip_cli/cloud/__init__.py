"""The cloud: sees a CloudRequest and nothing else. Never imports `device` or `prompts`."""
