"""The settings of the product. Secrets come from environment variables."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent.parent
DEBUG = True
SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-this-tutorial")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

DIRECTORY_URL = os.environ["DIRECTORY_URL"]
DIRECTORY_KEY = os.environ["DIRECTORY_KEY"]
WEBHOOK_SECRET = os.environ["WEBHOOK_SECRET"]

INSTALLED_APPS = [
    "people",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "product.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("PRODUCT_DATABASE", FOLDER / "product.db"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "sign-in"
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"people": {"handlers": ["console"], "level": "INFO"}},
}
