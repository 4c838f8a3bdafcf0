-- Selectors of every kind page in name order by an index.

-- A label with any value, or with one of many: its names in order, the value beside each.
CREATE INDEX secure_value_labels_names ON secure_value_labels (namespace, label, name, value);

-- What a keeper keeps, the vault itself included; it also tells whether a keeper is in use.
CREATE INDEX secure_values_kept ON secure_values (namespace, keeper, name);
DROP INDEX secure_values_keeper;
