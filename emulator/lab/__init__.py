"""The routing laboratory: what runs under the same sky with different routing say of it."""
