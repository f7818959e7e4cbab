-- Open pages hear of invitations too.
create trigger tell_change after insert or update or delete on invitations for each row
  execute function tell_change('org_id', 'id');
