-- For the metrics: the time of each server's last backup, and the logs that the object storage did not take.
create index installation_events_backups on installation_events (at) where action = 'backup.created';
create index log_objects_uploading on log_objects (run_id) where state = 'uploading';
