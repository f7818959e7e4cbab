-- When a snoozed item is listed again; null for an item that is done.
alter table attention_dismissals add column until timestamptz(3);
