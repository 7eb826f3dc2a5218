"""What an archive is: recipes, their bytes and their text."""
