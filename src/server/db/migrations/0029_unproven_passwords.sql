-- A verification link that is opened without a session proves the address, not who chose the password.
-- Until the password is reset by mail, the account counts as not yet taken over by its address's owner.
alter table users add column password_unproven boolean not null default false;
