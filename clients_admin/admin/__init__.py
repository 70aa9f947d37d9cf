"""The operators' UI: the admin site, its look, and a module for each page.

Nothing is imported here: the settings read `appearance` and Django's admin reads `site` before
there are models. `pages` registers everything once the apps are ready.
"""
