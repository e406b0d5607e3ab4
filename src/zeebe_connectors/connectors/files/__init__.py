"""The connector `files`: files on FTP, FTPS and SFTP servers."""
