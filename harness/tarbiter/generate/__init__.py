"""Where archives come from: features, recipes, mutations, worlds and schedules."""
