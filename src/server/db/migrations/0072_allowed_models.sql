-- The models that the runs of an organization may use, as patterns; null for all.
alter table organizations add column allowed_models text[];
