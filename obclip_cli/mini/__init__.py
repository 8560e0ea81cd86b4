"""The embedded pair `mini`: how its data is built and its models are trained. The weights lie in `weights/`."""
