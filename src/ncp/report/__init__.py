"""Pictures of results: facts first (`*_data`), drawing second (`draw_*`)."""
