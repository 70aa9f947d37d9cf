"""How the pages that an end-user sees look: brands, templates, styles, languages."""
