"""One server, whatever its transport: configuration, engine, tools and dispatcher joined."""
