"""The device: knows the real prompt, asks the cloud for all candidates, finishes its own."""
