"""What Granian serves of the stock side."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.stock_settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
