# Every other variable (variables.tf) has the default of infrastructure/settings.py. What .env sets for this environment
# has to be set here too, else the two sides differ: PROJECT, TAGS, OBJECT_LOCK_YEARS, STREAM_MODE, ...
# Name prod's own account in expected_account_id: nothing is then read or changed in any other.
environment = "prod"
