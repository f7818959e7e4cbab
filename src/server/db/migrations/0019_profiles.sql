-- Who somebody is, is answered from memory: every change of it is told of. What only tells when he came
-- is written by a sign-in, which is not so often that it would matter.
drop trigger tell_change on users;
create trigger tell_change after update on users for each row
  when (old.* is distinct from new.*) execute function tell_change('none', 'id');
