"""What a user reads of a single claim that a client asks for."""

from django.utils.translation import gettext_lazy as _

CLAIM_NAMES = {
    "name": _("See your full name"),
    "family_name": _("See your last name"),
    "given_name": _("See your first name"),
    "middle_name": _("See your middle name"),
    "nickname": _("See your nickname"),
    "preferred_username": _("See your user name"),
    "profile": _("See the address of your profile page"),
    "picture": _("See your picture"),
    "website": _("See your website"),
    "gender": _("See your gender"),
    "birthdate": _("See your date of birth"),
    "zoneinfo": _("See your time zone"),
    "locale": _("See your language"),
    "updated_at": _("See when your profile was last changed"),
    "email": _("See your e-mail address"),
    "email_verified": _("See whether your e-mail address was checked"),
    "address": _("See your postal address"),
    "phone_number": _("See your phone number"),
    "phone_number_verified": _("See whether your phone number was checked"),
}
