"""Jobs worked on by other processes and hosts: the database knows what there is to do, a broker tells that there is."""
