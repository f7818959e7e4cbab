-- The title of a merge: the first line of its message. Earlier merges have none.
alter table merges add column subject text;
